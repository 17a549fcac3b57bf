/** Docker plugins of tests' own: HTTP servers on sockets, which answer, or misbehave, as a test says. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Fields = Readonly<Record<string, unknown>>

/** Answers one method, or misbehaves with the bare response. */
export type Method = (
  body: Fields,
  response: ServerResponse,
) => Fields | undefined | Promise<Fields | undefined>

export type Methods = Readonly<Record<string, Method>>

/** A directory for plugins, as `--plugin-dir` takes it. */
export function pluginDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'tsnet-plugins-'))
}

/** A plugin that runs in the test's process. What it refuses by throwing comes as an error in a good answer, as most do it. */
export class DockerPlugin implements AsyncDisposable {
  /** `Method body` of every call, in order. */
  readonly calls: { readonly method: string; readonly body: Fields }[] = []
  readonly socket: string
  readonly #server: Server
  methods: Methods

  private constructor(socket: string, methods: Methods) {
    this.socket = socket
    this.methods = methods
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  static async start(directory: string, name: string, methods: Methods): Promise<DockerPlugin> {
    const plugin = new DockerPlugin(join(directory, `${name}.sock`), methods)
    await plugin.listen()
    return plugin
  }

  async listen(): Promise<void> {
    rmSync(this.socket, { force: true })
    await new Promise<void>((resolve) => this.#server.listen(this.socket, resolve))
  }

  /** The names of the methods that were called since the last time. */
  told(): string[] {
    return this.calls.splice(0).map(({ method }) => method)
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const method = (request.url ?? '').slice(1)
    const body: Fields = text === '' ? {} : JSON.parse(text)
    this.calls.push({ method, body })
    const answer = await this.#answer(method, body, response)
    if (answer !== undefined) response.end(JSON.stringify(answer))
  }

  async #answer(method: string, body: Fields, response: ServerResponse): Promise<Fields | undefined> {
    const serve = this.methods[method]
    if (serve === undefined && method === 'Plugin.Activate') return { Implements: this.#kinds() }
    if (serve === undefined) {
      response.statusCode = 404
      return { Err: `${method} is unknown` }
    }
    try {
      return await serve(body, response)
    } catch (error) {
      const { message } = error as Error
      return method.startsWith('IpamDriver.') ? { Error: message } : { Err: message }
    }
  }

  #kinds(): string[] {
    return [...new Set(Object.keys(this.methods).map((method) => method.split('.')[0] ?? ''))]
  }

  /** Ends it as if it were killed; the socket's file goes with it. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** The methods of a plugin that keeps volumes as directories below `root`, with a count of users by id as most have it. */
export function directoryVolumes(root: string): Methods {
  const volumes = new Map<string, Set<string>>()
  const path = (name: string): string => join(root, name)
  const usersOf = (name: unknown): Set<string> => {
    const users = volumes.get(String(name))
    if (users === undefined) throw new Error(`volume ${name} not found`)
    return users
  }
  const told = (name: unknown): Fields => ({
    Name: name,
    Mountpoint: path(String(name)),
    Status: { users: usersOf(name).size, tags: ['a', 'b'] },
  })
  return {
    'VolumeDriver.Create': ({ Name: name, Opts: options }) => {
      const wrong = Object.keys((options ?? {}) as Fields).find((key) => key !== 'note')
      if (wrong !== undefined) throw new Error(`unknown option ${wrong}`)
      volumes.set(String(name), new Set())
      mkdirSync(path(String(name)), { recursive: true })
      return {}
    },
    'VolumeDriver.Remove': ({ Name: name }) => {
      if (usersOf(name).size > 0) throw new Error(`volume ${name} is mounted`)
      volumes.delete(String(name))
      rmSync(path(String(name)), { recursive: true, force: true })
      return {}
    },
    'VolumeDriver.Mount': ({ Name: name, ID: id }) => {
      if (usersOf(name).has(String(id))) throw new Error(`volume ${name} is mounted by ${id} already`)
      usersOf(name).add(String(id))
      return { Mountpoint: path(String(name)) }
    },
    'VolumeDriver.Unmount': ({ Name: name, ID: id }) => {
      if (!usersOf(name).delete(String(id))) throw new Error(`volume ${name} is not mounted by ${id}`)
      return {}
    },
    'VolumeDriver.Path': ({ Name: name }) => ({ Mountpoint: told(name)['Mountpoint'] }),
    'VolumeDriver.Get': ({ Name: name }) => ({ Volume: told(name) }),
    'VolumeDriver.List': () => ({ Volumes: [...volumes.keys()].map(told) }),
    'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'global' } }),
  }
}
