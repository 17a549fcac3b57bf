import type { Topic } from '../../topic.ts'

/** `events-of`, which events-of.ts makes, runs a line and prints the events of networks meanwhile. */
export const events: Topic = {
  title: 'events',
  script: `
    events-of 'docker network create --subnet 10.70.0.0/24 n && docker network rm n'
    docker network create --subnet 10.70.0.0/24 n
    events-of 'docker run --rm --network n box true'
    docker run -d --name app box sleep 600
    events-of 'docker network connect n app && docker network disconnect n app'
    events-of 'docker network connect n missing; docker network rm missing'
    events-of 'docker restart -t 0 app'
    events-of 'docker stop -t 0 app'
    events-of 'docker network connect n app && docker network disconnect n app'
    events-of 'docker run --rm --network host box true && docker run --rm --network none box true'
    events-of 'docker network prune -f'`,
}
