/** <linux/netfilter/nfnetlink.h> and <linux/netfilter/nf_tables.h> */
export const NFNL_SUBSYS_NFTABLES = 10
export const NFNLGRP_NFTABLES = 7

export const NFT_MSG_NEWCHAIN = 3
export const NFT_MSG_DELCHAIN = 5
export const NFT_MSG_NEWRULE = 6
export const NFT_MSG_DELRULE = 8
export const NFT_MSG_NEWGEN = 15
export const NFT_MSG_GETGEN = 16

export const NFTA_TABLE_NAME = 1
export const NFTA_CHAIN_NAME = 3
export const NFTA_RULE_CHAIN = 2
