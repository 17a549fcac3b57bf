/**
 * What tsnet remembers: frozen records, addressed by ids, stored as versioned JSON. Nothing here is a live object;
 * a store transaction is the only writer.
 */
export type * from './container-records.ts'
export type * from './endpoint-records.ts'
export type * from './image-records.ts'
export type * from './labels.ts'
export type * from './mount-records.ts'
export type * from './network-records.ts'
export type * from './port-records.ts'
export type * from './volume-records.ts'
