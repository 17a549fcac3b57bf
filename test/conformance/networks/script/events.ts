import type { Topic } from './topic.ts'

const listen = String.raw`log=$(mktemp); \
  docker events --filter type=network --format '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}' > $log & \
  until grep -q 'destroy ready' $log; do docker network create ready; docker network rm ready; done > /dev/null;`
const stopListening = String.raw`docker network create done > /dev/null; docker network rm done > /dev/null; \
  until grep -q 'destroy done' $log; do sleep 0.05; done; kill $!; grep -v -e ready -e done $log; rm $log`

export const events: Topic = {
  title: 'events',
  script: String.raw`
    ${listen} docker network create --subnet 10.70.0.0/24 n; docker network rm n; ${stopListening}
    docker network create --subnet 10.70.0.0/24 n
    ${listen} docker run --rm --network n box true; ${stopListening}
    docker run -d --name app box sleep 600
    ${listen} docker network connect n app; docker network disconnect n app; ${stopListening}
    ${listen} docker network connect n missing; docker network rm missing; ${stopListening}
    ${listen} docker restart -t 0 app; ${stopListening}
    ${listen} docker stop -t 0 app; docker network connect n app; docker network disconnect n app; ${stopListening}
    ${listen} docker run --rm --network host box true; docker run --rm --network none box true; ${stopListening}
    ${listen} docker network prune -f; ${stopListening}`,
}
