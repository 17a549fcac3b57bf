/** tsnet's own: drivers and where they come from, the answers below /tsnet/v1/drivers. */

export interface Driver {
  Name: string
  /** 'network', 'ipam' or 'volume'; '' for a file that has never loaded, and a plugin that has never said what it is */
  Kind: string
  /** 'built-in', 'file' or 'plugin' */
  Origin: string
  Capabilities: Readonly<Record<string, string>>
  /** 'ready', 'outdated' (an earlier version of the file goes on), 'broken', or 'unreachable' (a plugin does not answer) */
  Status: string
  /** the file or package, or a plugin's socket; '' for others */
  Path: string
  Description: string
  Error: string
  /** '' for others than files */
  LoadedAt: string
  /** how many networks or volumes name it */
  Users: number
}

export interface DriverList {
  Drivers: readonly Driver[]
}
