/** <linux/netfilter/nfnetlink.h> and <linux/netfilter/nf_tables.h> */
export const NFNL_SUBSYS_NFTABLES = 10
export const NFT_MSG_GETGEN = 16
