/** The keys that hosts share, below the cluster's prefix. */

/** JSON of NodeRecord, under the node's lease. */
export const nodeKey = (name: string): string => `nodes/${name}`
/** JSON of NetworkRecord. */
export const networkKey = (id: string): string => `networks/${id}`
/** A network's id. */
export const networkNameKey = (name: string): string => `network-names/${name}`
/** JSON of ClusterEndpoint, under its node's lease. */
export const endpointKey = (network: string, id: string): string => `endpoints/${network}/${id}`
/** The name of the node that gives out a block of addresses, under its lease. `block` is a CIDR. */
export const blockKey = (network: string, block: string): string => `blocks/${network}/${block}`
/**
 * `<node> <endpoint> …` (src/ipam/cluster/claims.ts): an address that its block's node has left, or is asked to leave, to another
 * one, under the latter's lease.
 */
export const addressKey = (network: string, address: string): string => `addresses/${network}/${address}`
/** What the block's node has to say to that, under its lease. */
export const answerKey = (network: string, address: string): string =>
  `${addressKey(network, address)}/answer`
/** `<node> <container>`: who is called so on a network, under the node's lease. */
export const nameKey = (network: string, name: string): string => `names/${network}/${name}`
/** What the first host that joined has chosen: another one's, or none, is another state than was joined. */
export const clusterIdentity = 'identity'
/** `<node>`: a host that wants to know how all others find a network, under its lease. */
export const verificationKey = (network: string, id: string): string => `verifications/${network}/${id}`
/** `<node> <JSON of VerifiedRow>`: what a host has found, under its lease, as long as the question stands. */
export const verifiedKey = (network: string, id: string, node: string): string =>
  `verified/${network}/${id}/${node}`
/** `<node> <JSON of MoveOffer>`: a host that wants to move a container to another one, under the former's lease. */
export const moveKey = (target: string, id: string): string => `moves/${target}/${id}`
/** `<node> <JSON of MoveAnswer>`: what the other one says, under its lease, as long as the offer stands. */
export const moveAnswerKey = (id: string, node: string): string => `move-answers/${id}/${node}`
/**
 * `<from> <to> <container>`: the container is the other host's. Put together with what that takes over, once for each of the two: a host
 * removes its own when it has drawn the consequences.
 */
export const movedKey = (node: string, id: string): string => `moved/${node}/${id}`
/** `<node> <key>`: the node knows the key that `owner` is to have next, under the former's lease. */
export const rotationKey = (owner: string, node: string): string => `rotations/${owner}/${node}`
/** Raised by every network that is added, so that two of these cannot pass each other. */
export const networksGeneration = 'generation/networks'
