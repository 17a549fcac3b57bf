/** tsnet's own: which drivers there are, and loading those in files again. */
import type { Engine } from '../../engine/engine.ts'
import type { App } from '../app.ts'
import type { DriverList } from '../schema/driver.ts'
import { toDriver } from '../wire/driver.ts'

export type DriverBackend = Pick<Engine, 'drivers'>

export function driverRoutes(app: App, { drivers }: DriverBackend): void {
  app.get('/tsnet/v1/drivers', async (): Promise<DriverList> => ({ Drivers: drivers.list().map(toDriver) }))

  app.get<{ Params: { name: string } }>('/tsnet/v1/drivers/:name', async (request) =>
    drivers.get(request.params.name).map(toDriver),
  )

  app.post(
    '/tsnet/v1/drivers/reload',
    async (): Promise<DriverList> => ({
      Drivers: (await drivers.reload()).map(toDriver),
    }),
  )
}
