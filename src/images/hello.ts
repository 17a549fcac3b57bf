/** The files of the built-in image beside busybox: the first program, and the page that httpd runs as a CGI script. */

/**
 * The kernel delivers no signal to PID 1 that it has not asked for, and httpd asks for none: a shell that does stands
 * before it, or a stop would take its whole timeout.
 */
const hello = `#!/bin/sh
httpd -f -p 80 -h /www &
server=$!
trap 'kill $server 2>/dev/null; exit 0' TERM INT QUIT HUP
echo "tsnet/hello serves port 80 of $(hostname)"
wait $server
`

const page = String.raw`#!/bin/sh
# What this container is, as HTML, or as text for curl and wget.

fact() {
  sed -n "s/^$1=\"\(.*\)\"\$/\1/p" /run/.containerenv 2>/dev/null
}

# One line per address: interface and address.
addresses() {
  ip -o addr show 2>/dev/null | awk '$2 != "lo" && $3 ~ /^inet/ { print $2, $4 }'
}

# One line per network: name and address.
networks() {
  fact networks | tr ' ' '\n' | sed '/^$/d; s/=/ /'
}

# One line per mount that the user asked for: where, how, what type, from where.
mounts() {
  awk '
    function plain(text) { gsub(/\\040/, " ", text); return text }
    $5 == "/" || $5 ~ /^\/(proc|sys|dev)(\/|$)/ { next }
    $5 ~ /^\/etc\/(hosts|hostname|resolv\.conf)$/ || $5 == "/run/.containerenv" { next }
    {
      for (i = 7; $i != "-"; i++) ;
      from = $(i + 1) == "tmpfs" ? "memory" : $4
      print plain($5) " (" substr($6, 1, 2) ") from " plain(from)
    }' /proc/self/mountinfo
}

# Counts this visit in a directory; a lock keeps visits at the same moment apart.
count_in() {
  [ -d "$1" ] && [ -w "$1" ] || return 1
  tries=0
  until mkdir "$1/.visits.lock" 2>/dev/null; do
    tries=$((tries + 1))
    # Whoever was killed while counting has left the lock.
    [ $tries -eq 200 ] && rmdir "$1/.visits.lock" 2>/dev/null
    [ $tries -ge 300 ] && return 1
    usleep 10000
  done
  visits=$(cat "$1/visits" 2>/dev/null)
  case $visits in '' | *[!0-9]*) visits=0 ;; esac
  visits=$((visits + 1))
  echo $visits > "$1/visits.new" && mv "$1/visits.new" "$1/visits"
  counted=$?
  rmdir "$1/.visits.lock"
  return $counted
}

if count_in /data; then
  kept="kept in /data"
elif count_in /tmp; then
  kept="lost with this container: give it a volume, -v hello:/data"
else
  visits=?
  kept="not counted: neither /data nor /tmp can be written"
fi

name=$(fact name)
[ -n "$name" ] || name=$(hostname)
id=$(fact id | cut -c 1-12)
image=$(fact image)
engine=$(fact engine)

escape() {
  sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
}

text_list() {
  lines=$($1)
  [ -n "$lines" ] || lines=none
  label=$2
  echo "$lines" | while read -r line; do
    printf '%-10s %s\n' "$label" "$line"
    label=
  done
}

html_list() {
  lines=$($1 | escape)
  [ -n "$lines" ] || lines='<i>none</i>'
  echo "<dt>$2</dt>"
  echo "$lines" | while read -r line; do echo "<dd>$line</dd>"; done
}

html_fact() {
  [ -z "$2" ] || printf '<dt>%s</dt><dd>%s</dd>\n' "$1" "$(echo "$2" | escape)"
}

case $HTTP_USER_AGENT in
  curl/* | Wget*)
    printf 'Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
    echo "Hello from $name!"
    echo
    printf '%-10s %s\n' id "$id" hostname "$(hostname)" image "$image" engine "$engine" | awk 'NF > 1'
    text_list networks network
    text_list addresses address
    text_list mounts mount
    printf '%-10s %s (%s)\n' visits "$visits" "$kept"
    exit
    ;;
esac

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<'HEAD'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>tsnet/hello</title>
<style>
  :root { color-scheme: light dark; --ink: #16242e; --soft: #5c7080; --paper: #f4f7f9; --card: #fff; --mark: #0b7285 }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e6edf1; --soft: #93a5b1; --paper: #10181d; --card: #19242b; --mark: #3bc9db }
  }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
    font: 16px/1.5 system-ui, sans-serif }
  main { width: min(40rem, 100vw - 4rem); margin: 2rem 0; padding: 2rem; border-radius: 1rem; background: var(--card);
    border-top: .4rem solid var(--mark); box-shadow: 0 1rem 3rem #0002 }
  h1 { margin: 0 0 1.5rem; font-size: 1.8rem; overflow-wrap: anywhere }
  h1 b { color: var(--mark) }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.5rem; margin: 0 }
  dt { grid-column: 1; color: var(--soft) }
  dd { grid-column: 2; margin: 0; font-family: ui-monospace, monospace; font-size: .9rem; overflow-wrap: anywhere }
  p { margin: 1.5rem 0 0; padding-top: 1.5rem; border-top: 1px solid #8884; color: var(--soft) }
  p b { font-size: 1.6rem; color: var(--ink) }
</style>
HEAD
echo "<main><h1>Hello from <b>$(echo "$name" | escape)</b></h1><dl>"
html_fact id "$id"
html_fact hostname "$(hostname)"
html_fact image "$image"
html_fact engine "$engine"
html_list networks networks
html_list addresses addresses
html_list mounts mounts
echo "</dl><p>Visits: <b>$visits</b><br>$kept</p></main></html>"
`

export interface HelloFile {
  /** without a leading slash */
  readonly path: string
  readonly mode: number
  readonly text: string
}

export const helloFiles: readonly HelloFile[] = [
  { path: 'hello', mode: 0o755, text: hello },
  { path: 'www/cgi-bin/index.cgi', mode: 0o755, text: page },
  {
    path: 'etc/passwd',
    mode: 0o644,
    text: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  },
  { path: 'etc/group', mode: 0o644, text: 'root:x:0:\nnogroup:x:65534:\n' },
]
