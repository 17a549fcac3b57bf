import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestClient } from '../../helpers/client.ts'
import { TestCluster } from '../../helpers/cluster.ts'
import { busyboxArchive } from '../../helpers/daemon.ts'
import { eventually } from '../../helpers/eventually.ts'
import { HostCredentials } from '../../helpers/host-credentials.ts'

const credentials = new HostCredentials()
const { certificates } = credentials
const cluster = await TestCluster.start({
  hosts: 2,
  tls: certificates,
  parameters: (host) => ({ ttl: '2', ...credentials.issue(`h${host + 1}`, `of-h${host + 1}`) }),
})
const { etcd } = cluster
const clients = cluster.hosts.map((host) => new TestClient(host))
const [a, b] = clients as [TestClient, TestClient]
const certificateOfB = join(certificates.ca, '../h2.pem')

beforeAll(async () => {
  const input = busyboxArchive()
  await Promise.all(cluster.hosts.map((host) => host.dockerWith({ input }, 'import', '-', 'box')))
  // those who are in go on
  await etcd.requirePasswords({ h1: 'of-h1', h2: 'of-h2' }, '/tsnet/')
  await a.tsnet('network', 'create', '-d', 'overlay', 'mesh')
  await eventually(() => b.inspect('network', 'mesh'))
  await a.wait('w1', '--network', 'mesh')
  await b.wait('w2', '--network', 'mesh')
  await b.wait('near', '--network', 'mesh')
  await well()
})
afterAll(async () => {
  await cluster.stop()
  credentials[Symbol.dispose]()
})

const reach = (client: TestClient, from: string, to: string) => client.inside(from, `ping -c1 -W1 ${to}`)

async function well(): Promise<void> {
  await eventually(() => reach(a, 'w1', 'w2'))
  await eventually(() => reach(b, 'near', 'w1'))
  await eventually(async () => expect(await b.tsnet('info')).toMatch(/State: connected since [^(]*$/m))
}

/** What is wrong is said wherever somebody looks, and what runs on the host goes on. */
async function isSaid(client: TestClient, what: string): Promise<void> {
  // etcd lets who is in go on until something is asked of it
  await eventually(async () =>
    expect(await client.refusal('network', 'create', '-d', 'overlay', 'other')).toContain(what),
  )
  await eventually(async () => expect(await client.tsnet('info')).toContain(what))
  expect((await client.daemon.docker('info')).stderr).toMatch(
    /^WARNING: the cluster's etcd at .* cannot be used: /m,
  )
  expect(client.daemon.log.replaceAll('\\"', '"')).toContain(what)
}
const restartEtcd = async () => {
  await etcd.killAll()
  await etcd.launchAll()
}

it('a daemon that starts with a wrong password names the file, and joins once the right one is in it', async () => {
  const path = credentials.writePassword('h2', 'wrong')
  await b.daemon.kill()
  await b.daemon.launch()
  await isSaid(b, `it refuses user h2 with the password in ${path}`)
  await reach(b, 'near', 'w2')
  expect(await a.tsnet('info')).toContain('State: connected')
  credentials.writePassword('h2', 'of-h2')
  await well()
})

it('a host whose password is changed goes on with the one that is put into the file', async () => {
  await etcd.replaceUser('h2', 'new')
  await isSaid(b, 'it refuses user h2 with the password in ')
  await reach(b, 'near', 'w2')
  credentials.writePassword('h2', 'new')
  await well()
})

it('a certificate that ends is told of before, and when it has ended the host joins with the next', async () => {
  certificates.issue('h2', { days: 3 })
  const { stderr } = await b.daemon.docker('info')
  expect(stderr).toMatch(new RegExp(`^WARNING: the certificate in ${certificateOfB}, .* expires on 2`, 'm'))
  certificates.issue('h2', { days: -1 })
  await restartEtcd()
  await isSaid(b, `the server refuses the certificate in ${certificateOfB}, which expired on 2`)
  await reach(b, 'near', 'w2')
  certificates.issue('h2')
  await well()
  // older clients warn of the kernel there
  expect((await b.daemon.docker('info')).stderr).not.toMatch(/certificate|cluster/)
})

it('servers with certificates of another authority are not trusted, and containers reach each other all the while', async () => {
  const restore = credentials.exchangeServers()
  await restartEtcd()
  for (const client of clients)
    await isSaid(client, `the server's certificate is not from the authority in ${certificates.ca}`)
  await reach(a, 'w1', 'w2')
  restore()
  await well()
})

it('a role that may not write is named, and what was started meanwhile is found when it may again', async () => {
  await etcd.permit('h2', 'read', '/tsnet/')
  await b.wait('late', '--network', 'mesh')
  await isSaid(b, 'user h2 may not use the keys below /tsnet/: grant a role readwrite there')
  await reach(b, 'late', 'w2')
  await etcd.permit('h2', 'readwrite', '/tsnet/')
  await well()
  await eventually(() => reach(a, 'w1', 'late'))
})
