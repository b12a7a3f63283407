/* What is to be read again at SIGHUP: files of certificates, of tokens. */
#ifndef LEAT_EXAMPLE_HANGUP_H
#define LEAT_EXAMPLE_HANGUP_H

/* `reread` is called at each SIGHUP, by a thread of its own, for a worker must not wait for a disk. Before any other
 * thread is started, at most eight times. 0, or why there is no such thread. */
int hangup_watch(void (*reread)(void *context), void *context);

#endif
