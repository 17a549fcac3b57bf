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
  `UPDATE record SET value = json_set(value,
     '$.spec.egress', json('null'), '$.spec.volumesFrom', json('[]'),
     '$.spec.volumeDriver', coalesce((
       SELECT each.value ->> '$.driver' FROM json_each(record.value, '$.spec.mounts') AS each
       WHERE each.value ->> '$.syntax' = 'bind-string' AND each.value ->> '$.driver' <> '' LIMIT 1), ''),
     '$.spec.mounts', json((
       SELECT json_group_array(json_patch(each.value, json_object(
         'recursion', 'enabled', 'subpath', '', 'idmap', '', 'own', '', 'consistency', '',
         'mode', iif(each.value ->> '$.syntax' = 'bind-string', trim(
           iif(each.value ->> '$.readOnly', ',ro', '') ||
           iif(each.value ->> '$.propagation' <> '', ',' || (each.value ->> '$.propagation'), '') ||
           iif(each.value ->> '$.noCopy', ',nocopy', ''), ','), ''),
         'syntax', iif(each.value ->> '$.syntax' = 'bind-string' AND each.value ->> '$.source' = '',
           'anonymous', each.value ->> '$.syntax'))))
       FROM json_each(record.value, '$.spec.mounts') AS each)),
     '$.mounts', json((
       SELECT json_group_array(json_patch(each.value, json_object(
         'recursion', 'enabled', 'subpath', '', 'idmap', '', 'own', '',
         'mode', iif(each.value ->> '$.syntax' = 'bind-string' AND each.value ->> '$.readOnly', 'ro', ''),
         'noCopy', json(iif(each.value ->> '$.options' = 'nocopy', 'true', 'false')),
         'options', iif(each.value ->> '$.options' = 'nocopy', '', each.value ->> '$.options'),
         'createSource', json(iif(each.value ->> '$.syntax' = 'bind-string', 'true', 'false')))))
       FROM json_each(record.value, '$.mounts') AS each)),
     '$.endpoints', json((
       SELECT json_group_array(json_patch(each.value, '{"request":{"linkLocal":[],"links":[],"gatewayPriority":0}}'))
       FROM json_each(record.value, '$.endpoints') AS each)),
     '$.spec.endpoints', json((
       SELECT json_group_object(each.key, json_patch(each.value, '{"linkLocal":[],"links":[],"gatewayPriority":0}'))
       FROM json_each(record.value, '$.spec.endpoints') AS each)),
     '$.spec.ports', json((
       SELECT json_group_array(json_patch(each.value, '{"hostInterface":"","sources":[],"hostPolicy":""}'))
       FROM json_each(record.value, '$.spec.ports') AS each)),
     '$.published', json((
       SELECT json_group_array(json_patch(each.value, '{"hostInterface":"","sources":[],"hostPolicy":""}'))
       FROM json_each(record.value, '$.published') AS each)))
   WHERE collection = 'container';
   UPDATE record SET value = json_set(value,
     '$.dnsServers', json('[]'), '$.configOnly', json('false'), '$.configFrom', '', '$.configuration', json('null'),
     '$.givenFamilies', json((
       SELECT json_group_array(DISTINCT iif(each.value ->> '$.subnet' LIKE '%:%', 6, 4))
       FROM json_each(record.value, '$.pools') AS each)))
   WHERE collection = 'network';
   UPDATE record SET value = json_set(value,
     '$.id', lower(hex(randomblob(32))), '$.protected', json('false'), '$.origin', json('null'))
   WHERE collection = 'volume';`,
]
