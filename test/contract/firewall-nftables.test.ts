import { describeFirewall } from './firewall.contract.ts'

describeFirewall('nftables')
