/** The config file: JSON by the flags' long names, or by those that dockerd's file has. */
import { existsSync, readFileSync } from 'node:fs'
import { badSetting } from './bad-setting.ts'
import { settingNames } from './flags.ts'
import type { Values } from './given.ts'

/** dockerd's file has these in the plural; its flags are singular. */
const fileNames: Readonly<Record<string, string>> = {
  hosts: 'host',
  'default-address-pools': 'default-address-pool',
  'default-network-opts': 'default-network-opt',
  'dns-opts': 'dns-opt',
  drivers: 'driver',
  'host-gateway-ips': 'host-gateway-ip',
  'plugin-dirs': 'plugin-dir',
  'cni-bin-dirs': 'cni-bin-dir',
}
const lists: readonly string[] = [
  'host',
  'dns',
  'dns-opt',
  'dns-search',
  'host-gateway-ip',
  'default-address-pool',
  'plugin-dir',
  'cni-bin-dir',
]

/** A file that is not `required` may be missing. Throws kind 'invalid'. */
export function readConfigFile(path: string, required: boolean): Values {
  if (!required && !existsSync(path)) return {}
  const values = parseJsonObject(path)
  const settings = Object.entries(values).map(([key, value]): [string, unknown] => {
    const name = Object.hasOwn(fileNames, key) ? (fileNames[key] ?? '') : key
    if (!settingNames.includes(name)) {
      throw badSetting(`${path} has the unknown key "${key}": known are ${settingNames.join(', ')}`)
    }
    const isFitting = name === 'default-network-opt' || (lists.includes(name) && Array.isArray(value))
    if (typeof value === 'object' && !isFitting) {
      throw badSetting(
        `${path} has ${JSON.stringify(value)} for "${key}": give ${lists.includes(name) ? 'a list' : 'text'}`,
      )
    }
    return [name, value]
  })
  return Object.fromEntries(settings)
}

function parseJsonObject(path: string): Readonly<Record<string, unknown>> {
  let values: unknown
  try {
    values = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw badSetting(`${path} cannot be read: ${(error as Error).message}`)
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw badSetting(`${path} must hold a JSON object`)
  }
  return values as Record<string, unknown>
}
