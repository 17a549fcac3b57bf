/** <linux/pkt_sched.h> */
export const TC_H_ROOT = 0xffffffff

export const TCA_TBF_PARMS = 1
export const TCA_TBF_BURST = 6
