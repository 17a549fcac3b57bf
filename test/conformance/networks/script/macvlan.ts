import type { Topic } from '../../topic.ts'

export const macvlan: Topic = {
  title: 'macvlan and ipvlan',
  script: String.raw`
    ip link add lan0 type veth peer name lan0 netns $NEIGHBOUR && ip link set lan0 up && \
      ip -n $NEIGHBOUR link set lan0 up && ip -n $NEIGHBOUR addr add 10.60.0.1/24 dev lan0
    docker network create -d macvlan --subnet 10.60.0.0/24 --gateway 10.60.0.1 -o parent=lan0 lan
    docker network inspect lan
    docker run -d --name aa --network lan --ip 10.60.0.7 box sleep 600
    docker run -d --name bb --network lan box sleep 600
    docker inspect -f '{{json .NetworkSettings.Networks.lan}}' aa
    docker exec aa ip route
    docker exec aa ip -o -4 addr show eth0 | grep -o 'inet [^ ]*'
    docker exec bb ping -q -c 1 -W 1 10.60.0.7 | grep received
    docker exec bb ping -q -c 1 -W 1 aa | grep received
    docker exec aa ping -q -c 1 -W 1 10.60.0.1 | grep received
    docker network create -d macvlan --subnet 10.60.1.0/24 -o parent=lan0 second
    docker network create -d macvlan --subnet 10.60.9.0/24 -o parent=missing x
    docker network create -d macvlan --subnet 10.60.2.0/24 -o parent=lo x
    docker network create -d macvlan --subnet 10.60.2.0/24 -o parent=lan0 -o macvlan_mode=nonsense x
    docker network create -d macvlan --subnet 10.60.2.0/24 -o parent=lan0 -o macvlan_mode=passthru x
    docker network create -d macvlan --subnet 10.60.2.0/24 -o parent=lan0 -o nonsense=1 x
    docker network create -d macvlan --subnet 10.60.3.0/24 -o parent=wan -o macvlan_mode=private private
    docker run -d --name pp --network private box sleep 600
    docker run -d --name qq --network private box sleep 600
    docker exec pp ping -q -c 1 -W 1 qq | grep received
    docker run -d --name published --network lan -p 8080:80 box sleep 600
    docker port published
    docker network inspect -f '{{range .Containers}}{{println .Name .IPv4Address}}{{end}}' lan | sort
    docker network connect --ip 10.60.0.9 lan pp
    docker exec pp ip -o -4 addr show eth1 | grep -o 'inet [^ ]*'
    docker network rm lan
    docker rm -f aa bb pp qq published
    docker network rm lan second private
    ip -o link show lan0 2> /dev/null | wc -l
    docker network create -d ipvlan --subnet 10.61.0.0/24 -o parent=lan0 ip
    docker network create -d ipvlan --subnet 10.61.1.0/24 -o parent=lan0 -o ipvlan_mode=nonsense x
    docker network create -d macvlan --subnet 10.61.3.0/24 -o parent=lan0.5000 x
    ip link del lan0`,
}
