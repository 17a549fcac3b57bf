/** One SQL script per schema version, applied in order; never edit one that has been released. */
export const migrations: readonly string[] = [
  `CREATE TABLE record (
     collection TEXT NOT NULL,
     key TEXT NOT NULL,
     value TEXT NOT NULL,
     PRIMARY KEY (collection, key)
   ) STRICT, WITHOUT ROWID;
   CREATE TABLE journal (
     id INTEGER PRIMARY KEY,
     operation TEXT NOT NULL,
     subject TEXT NOT NULL,
     step TEXT NOT NULL,
     data TEXT NOT NULL
   ) STRICT;`,
]
