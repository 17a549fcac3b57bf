/**
 * The device nodes that a volume may hold, which are those that every container has anyway, and the mark 0:0 by which overlay
 * file systems hide a file. Others would open the host's disks to whoever gets at them.
 */
const harmless: ReadonlySet<string> = new Set(['0:0', '1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:2'])

export function isHarmlessDevice(type: string, major: number, minor: number): boolean {
  return type === 'character-device' && harmless.has(`${major}:${minor}`)
}
