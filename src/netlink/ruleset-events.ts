/** What becomes of the rules of nftables, and so of iptables-nft, as the kernel tells it to NFNLGRP_NFTABLES. */
import { NETLINK_NETFILTER } from '../sys/constants/netlink.ts'
import {
  NFNL_SUBSYS_NFTABLES,
  NFNLGRP_NFTABLES,
  NFT_MSG_DELCHAIN,
  NFT_MSG_DELRULE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWGEN,
  NFT_MSG_NEWRULE,
  NFTA_CHAIN_NAME,
  NFTA_RULE_CHAIN,
  NFTA_TABLE_NAME,
} from '../sys/constants/nf_tables.ts'
import { SyscallError } from '../sys/errno.ts'
import type { Fd } from '../sys/fd.ts'
import { joinNetlinkGroup, openNetlinkSocket, receiveNetlink } from '../sys/netlink-socket.ts'
import { watchReadable } from '../sys/readable.ts'
import { decodeAttributes, stringAttribute } from './attribute.ts'
import { nfgenmsg } from './conntrack.ts'
import { decodeMessages, type Message } from './message.ts'

/** A table, a chain, a rule, a set or its elements came, changed or went. */
export interface RulesetChange {
  /** The port of the netlink socket that asked for it. */
  readonly sender: number
  /** NFPROTO_* of the table: AF_INET, AF_INET6 or another. */
  readonly family: number
  readonly table: string
  /** The chain that it was, or in which the rule was; '' otherwise. */
  readonly chain: string
}

/**
 * Calls `listener` from the event loop for each change in the thread's own namespace until the returned handle is disposed
 * of; with 'lost' when changes came faster than they were read. The process may end while it watches.
 */
export function watchRuleset(listener: (change: RulesetChange | 'lost') => void): Disposable {
  const socket = openNetlinkSocket(NETLINK_NETFILTER)
  joinNetlinkGroup(socket, NFNLGRP_NFTABLES)
  const watch = watchReadable(socket, () => deliver(socket, listener))
  watch.unref()
  return {
    [Symbol.dispose]: () => {
      watch.stop()
      socket.close()
    },
  }
}

function deliver(socket: Fd, listener: (change: RulesetChange | 'lost') => void): void {
  while (socket.isOpen) {
    const messages = receive(socket)
    if (messages === null) return
    if (messages === 'lost') listener('lost')
    else for (const message of messages) for (const change of changesOf(message)) listener(change)
  }
}

function receive(socket: Fd): Message[] | 'lost' | null {
  try {
    const datagram = receiveNetlink(socket)
    return datagram && decodeMessages(datagram)
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName === 'ENOBUFS') return 'lost'
    throw error
  }
}

/** Where a message names a chain. */
const chainAttributes: Readonly<Record<number, number>> = {
  [NFT_MSG_NEWCHAIN]: NFTA_CHAIN_NAME,
  [NFT_MSG_DELCHAIN]: NFTA_CHAIN_NAME,
  [NFT_MSG_NEWRULE]: NFTA_RULE_CHAIN,
  [NFT_MSG_DELRULE]: NFTA_RULE_CHAIN,
}

/** None for what is no change; the table's name has the same attribute in all that are. */
export function changesOf({ type, sender, body }: Message): RulesetChange[] {
  const kind = type & 0xff
  if (type >> 8 !== NFNL_SUBSYS_NFTABLES || kind === NFT_MSG_NEWGEN) return []
  const attributes = decodeAttributes(body, nfgenmsg.size)
  const chainAttribute = chainAttributes[kind]
  return [
    {
      sender,
      family: nfgenmsg.decode(body).nfgen_family,
      table: stringAttribute(attributes, NFTA_TABLE_NAME),
      chain: chainAttribute === undefined ? '' : stringAttribute(attributes, chainAttribute),
    },
  ]
}
