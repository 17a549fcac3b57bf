/* Asks the C library's own stub resolver: each argument is FAMILY:NAME (4, 6, or 0 for both) or r:ADDRESS. One line each:
   the addresses or the name, or `none` where there are none, `again` where nobody knows. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void print_error(int code) { puts(code == EAI_AGAIN ? "again" : "none"); }

static void forward(int family, const char *name) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM}, *list;
  int code = getaddrinfo(name, 0, &hints, &list);
  if (code) { print_error(code); return; }
  for (struct addrinfo *one = list; one; one = one->ai_next) {
    char text[NI_MAXHOST];
    getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST);
    printf("%s%s", one == list ? "" : " ", text);
  }
  puts("");
  freeaddrinfo(list);
}

static void reverse(const char *address) {
  struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM}, *list;
  char text[NI_MAXHOST];
  if (getaddrinfo(address, 0, &hints, &list)) { puts("bad"); return; }
  int code = getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof text, 0, 0, NI_NAMEREQD);
  if (code) print_error(code); else puts(text);
  freeaddrinfo(list);
}

int main(int count, char **words) {
  for (int i = 1; i < count; i++) {
    if (words[i][0] == 'r') reverse(words[i] + 2);
    else forward(words[i][0] == '4' ? AF_INET : words[i][0] == '6' ? AF_INET6 : AF_UNSPEC, words[i] + 2);
  }
}
