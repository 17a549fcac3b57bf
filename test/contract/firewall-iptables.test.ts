import { describeFirewall } from './firewall.contract.ts'

describeFirewall('iptables')
