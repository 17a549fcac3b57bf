/** <sys/epoll.h> */
export const EPOLL_CTL_ADD = 1
export const EPOLL_CTL_DEL = 2
export const EPOLL_CLOEXEC = 0o2000000
export const EPOLLIN = 1
