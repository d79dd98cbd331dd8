/*
 * What a container prints, kept in files log, log.1, log.2 ... of a folder:
 * when the first is full the others move up, and the last one goes. One thread.
 */
#ifndef CONTAINER_LOGFILE_H
#define CONTAINER_LOGFILE_H

#include "core/err.h"

#define LOGFILE_NAME "log"

struct logfile {
	int dir; /* borrowed */
	int fd; /* owned; -1: closed */
	uint64_t size_bytes;
	uint64_t limit_bytes; /* of one file; 0: nothing is kept */
	unsigned int files; /* 1 or more */
};

int logfile_open(struct logfile *log, int dir, uint64_t limit_bytes,
		 unsigned int files, struct err *err);
void logfile_close(struct logfile *log);

/* Appends. A failure, of a full disk, loses the text and nothing else. */
void logfile_write(struct logfile *log, const char *text, size_t len);

/* "log" or "log.N"; @size is at least 16. */
void logfile_name(unsigned int number, char *name, size_t size);

#endif
