/** Settings as they were given, in text or in JSON. */
import { badSetting } from './bad-setting.ts'

/** By the flags' long names. */
export type Values = Readonly<Record<string, unknown>>

export class Given {
  readonly #values: Values

  constructor(values: Values) {
    this.#values = values
  }

  value(name: string): unknown {
    return this.#values[name]
  }

  text(name: string, fallback: string): string {
    return String(this.#values[name] ?? fallback)
  }

  /** A flag that stands alone is a list of one. */
  items(name: string): readonly unknown[] {
    const value = this.#values[name]
    if (value === undefined) return []
    return Array.isArray(value) ? value : [value]
  }

  list(name: string): readonly string[] {
    return this.items(name).map(String)
  }

  /** Throws kind 'invalid' for anything else. */
  oneOf<T extends string>(name: string, fallback: T, allowed: readonly T[]): T {
    const text = this.text(name, fallback)
    const found = allowed.find((candidate) => candidate === text)
    if (found === undefined) throw badSetting(`--${name} "${text}" is unknown: give ${allowed.join(', ')}`)
    return found
  }

  isOn(name: string, fallback: 'true' | 'false'): boolean {
    return this.oneOf(name, fallback, ['true', 'false']) === 'true'
  }
}
