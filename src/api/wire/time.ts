/** Times as Docker writes them. */

/** Go's zero time, which stands for never. */
const never = '0001-01-01T00:00:00Z'

export function timeOrNever(time: string): string {
  return time === '' ? never : time
}

/** Whole seconds since the epoch. */
export function epochSeconds(time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}

const minute = 60
const hour = 60 * minute

/** A span for people, as lists show it: `5 minutes`, `About an hour`, `3 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < minute) return `${seconds} seconds`
  const minutes = Math.floor(seconds / minute)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.round(seconds / hour)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  return humanDays(Math.floor(hours / 24))
}

function humanDays(days: number): string {
  if (days < 2 * 7) return `${days} days`
  if (days < 2 * 30) return `${Math.floor(days / 7)} weeks`
  if (days < 2 * 365) return `${Math.floor(days / 30)} months`
  return `${Math.floor(days / 365)} years`
}
