/** <sys/socket.h> and <linux/if_packet.h> */
export const AF_PACKET = 17
