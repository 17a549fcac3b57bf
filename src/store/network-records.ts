/** Networks and their subnets. */
import type { NetworkId } from '../values/id.ts'
import type { Labels } from './labels.ts'

export interface PoolRecord {
  /** CIDR in canonical form */
  readonly subnet: string
  /** CIDR inside the subnet, '' for all of it */
  readonly range: string
  /** address without prefix, '' for none */
  readonly gateway: string
  readonly auxiliary: Labels
  /** What an address manager that is another program knows it by. */
  readonly poolId?: string
}

export interface NetworkSpec {
  readonly name: string
  readonly driver: string
  readonly internal: boolean
  readonly attachable: boolean
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly ipamDriver: string
  readonly ipamOptions: Labels
  /** Wanted pools; empty fields are chosen. */
  readonly pools: readonly PoolRecord[]
  readonly options: Labels
  readonly labels: Labels
  /** Asked by its containers instead of the host's name servers; empty for those. */
  readonly dnsServers: readonly string[]
  /** Only holds settings for other networks. */
  readonly configOnly: boolean
  /** The network whose settings it takes, '' for none. */
  readonly configFrom: string
}

export interface NetworkRecord extends NetworkSpec {
  readonly id: NetworkId
  readonly createdAt: string
  /** bridge, host and none, which cannot be removed. */
  readonly predefined: boolean
  /** The families in which the user gave a subnet; others were chosen. */
  readonly givenFamilies: readonly (4 | 6)[]
  /** The settings that a network holds which is nothing but that; it has no pools and options itself. */
  readonly configuration: NetworkSpec | null
}
