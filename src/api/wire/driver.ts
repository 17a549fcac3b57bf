import type { DriverInfo } from '../../engine/engine.ts'
import type { Driver } from '../schema/driver.ts'

export function toDriver(driver: DriverInfo): Driver {
  return {
    Name: driver.name,
    Kind: driver.kind,
    Origin: driver.origin,
    Capabilities: driver.capabilities,
    Status: driver.status,
    Path: driver.path,
    Description: driver.description,
    Error: driver.error,
    LoadedAt: driver.loadedAt,
    Users: driver.users,
  }
}
