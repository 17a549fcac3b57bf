/** Times in the client's zone. */

/** Go's layout: `2026-11-21 09:30:00 +0100 CET`. */
export function formatTime(seconds: number): string {
  const { day, time, sign, hours, minutes } = parts(seconds)
  const zone = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
    .formatToParts(seconds * 1000)
    .find(({ type }) => type === 'timeZoneName')?.value
  return `${day} ${time} ${sign}${hours}${minutes} ${zone}`
}

/** RFC 3339 with nine digits of fraction: `2026-11-21T09:30:00.123456789+01:00`, `Z` for UTC. */
export function formatInstant(seconds: number, nanoseconds: string): string {
  const { day, time, sign, hours, minutes } = parts(seconds)
  const zone = hours === '00' && minutes === '00' ? 'Z' : `${sign}${hours}:${minutes}`
  return `${day}T${time}.${nanoseconds}${zone}`
}

/** As Go prints a moment of RFC 3339, in the zone in which it was told: `2026-11-21 09:30:00.5 +0000 UTC`. */
export function formatMoment(instant: string): string {
  const [, day, time, fraction = '', zone = 'Z'] =
    /^([\d-]+)T([\d:]+)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(instant) ?? []
  if (day === undefined) return instant
  const offset = zone === 'Z' ? '+0000 UTC' : `${zone.replace(':', '')} ${zone.replace(':', '')}`
  return `${day} ${time}${fraction.replace(/\.?0+$/, '')} ${offset}`
}

function parts(seconds: number) {
  const date = new Date(seconds * 1000)
  const two = (number: number) => String(Math.trunc(Math.abs(number))).padStart(2, '0')
  const offset = -date.getTimezoneOffset()
  return {
    day: `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`,
    time: `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`,
    sign: offset < 0 ? '-' : '+',
    hours: two(offset / 60),
    minutes: two(offset % 60),
  }
}
