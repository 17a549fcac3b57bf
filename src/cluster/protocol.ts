/** etcd's protocol: gRPC, and etcd3's description of the calls. */
import type * as Grpc from '@grpc/grpc-js'
import type { Host } from 'etcd3/lib/connection-pool.js'
import type {
  IAuthenticateRequest,
  IAuthenticateResponse,
  ILeaseGrantRequest,
  ILeaseGrantResponse,
  ILeaseKeepAliveRequest,
  ILeaseKeepAliveResponse,
  ILeaseRevokeRequest,
  ILeaseRevokeResponse,
  ILeaseTimeToLiveRequest,
  ILeaseTimeToLiveResponse,
  IRangeRequest,
  IRangeResponse,
  ITxnRequest,
  ITxnResponse,
} from 'etcd3/lib/rpc.js'

/** What tsnet asks of etcd, by the methods' names. */
export interface Calls {
  range: { request: IRangeRequest; response: IRangeResponse }
  txn: { request: ITxnRequest; response: ITxnResponse }
  leaseGrant: { request: ILeaseGrantRequest; response: ILeaseGrantResponse }
  leaseKeepAlive: { request: ILeaseKeepAliveRequest; response: ILeaseKeepAliveResponse }
  leaseRevoke: { request: ILeaseRevokeRequest; response: ILeaseRevokeResponse }
  leaseTimeToLive: { request: ILeaseTimeToLiveRequest; response: ILeaseTimeToLiveResponse }
  authenticate: { request: IAuthenticateRequest; response: IAuthenticateResponse }
}
export type Method = keyof Calls

export const serviceOf = {
  range: 'KV',
  txn: 'KV',
  leaseGrant: 'Lease',
  leaseKeepAlive: 'Lease',
  leaseRevoke: 'Lease',
  leaseTimeToLive: 'Lease',
  authenticate: 'Auth',
} as const

export interface Protocol {
  readonly grpc: typeof Grpc
  readonly Host: typeof Host
}

/** 150 ms of a processor and 30 MB, which only a daemon of a cluster pays. */
export async function loadProtocol(): Promise<Protocol> {
  const [grpc, { Host }] = await Promise.all([
    import('@grpc/grpc-js'),
    import('etcd3/lib/connection-pool.js'),
  ])
  return { grpc, Host }
}
