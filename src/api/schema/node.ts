/** tsnet's own: the hosts of the cluster, the answer of /tsnet/v1/nodes. */

export interface Node {
  Name: string
  /** whether it is the one that answers */
  Self: boolean
  /** 'ready', 'away' (etcd does not answer it), 'fenced' (it was away for too long), 'unknown' (of others while this one is away) */
  State: string
  Address: string
  Mtu: number
  Version: string
  JoinedAt: string
  /** null while etcd does not tell */
  Networks: number | null
  Endpoints: number | null
}

export interface NodeList {
  Nodes: readonly Node[]
}
