/*
 * Whatever a guest asks of a shared folder: a sequence of FUSE messages, mostly
 * well-formed, whose node and file numbers are mostly ones that were given out.
 * What holds: an answer fits its room and says its length, one that is an error
 * has nothing else, what is held stays within the limit, and nothing beside the
 * folder changes.
 *
 * An input is records of 6 bytes (operation, 0x80 more for the queue of high
 * priority, node, file, two of the length of what follows the head, length of
 * what is attached) and those bytes.
 *
 * It works in a folder of its own in memory that is removed in the end, as a
 * file system user who owns nothing else (setfsuid(2)), and with files of
 * 16 MiB at most.
 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/util.h"
#include "io/share_internal.h"

#define MAX_FDS	   40
#define KNOWN	   8
#define ROOM	   9000
#define NOBODY	   65534
#define RECORD	   6
#define ASIDE	   0x80
#define MOST_CALLS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct share_folder *folder;
	uint64_t nodes[KNOWN];
	uint64_t files[KNOWN];
	unsigned int node_count;
	unsigned int file_count;
};

static char outside[64];
static char inside[80];
static char secret[80];

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* --- The folder ---------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *stat, int type,
		      struct FTW *at)
{
	(void)stat;
	(void)at;
	/* Whatever mode a folder was given: the next pass sees into it. */
	if (remove(path) && (type == FTW_DNR || type == FTW_DP))
		chmod(path, 0700);
	return 0;
}

static void remove_all(const char *path)
{
	struct stat stat;

	for (int pass = 0; pass < 100 && !lstat(path, &stat); pass++)
		nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	require(lstat(path, &stat) && errno == ENOENT);
}

static void leave(void)
{
	remove_all(outside);
}

static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	require(fd >= 0);
	require(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void make_folder(void)
{
	char path[128];

	require(!mkdir(inside, 0700));
	snprintf(path, sizeof(path), "%s/d", inside);
	require(!mkdir(path, 0700));
	snprintf(path, sizeof(path), "%s/f", inside);
	put_file(path, "text");
	snprintf(path, sizeof(path), "%s/l", inside);
	require(!symlink("../secret", path));
}

static void check_outside(void)
{
	char text[16] = "";
	struct stat stat;
	int fd = open(secret, O_RDONLY | O_CLOEXEC);

	require(fd >= 0 && !fstat(fd, &stat));
	require(read(fd, text, sizeof(text)) == 6 &&
		!memcmp(text, "secret", 6));
	require(stat.st_nlink == 1 && stat.st_mode == (S_IFREG | 0600));
	close(fd);
	/* This folder, the shared one and nothing else. */
	require(!lstat(outside, &stat));
	require(stat.st_nlink <= 3 && stat.st_mode == (S_IFDIR | 0700));
}

static void prepare(void)
{
	const struct rlimit limit = { 16 * MIB, 16 * MIB };
	sigset_t set;

	snprintf(outside, sizeof(outside), "/dev/shm/hull-fuzz-XXXXXX");
	require(mkdtemp(outside));
	snprintf(inside, sizeof(inside), "%s/shared", outside);
	snprintf(secret, sizeof(secret), "%s/secret", outside);
	require(!geteuid() ? !chown(outside, NOBODY, NOBODY) : true);
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	require(!sigprocmask(SIG_BLOCK, &set, NULL));
	require(!setrlimit(RLIMIT_FSIZE, &limit));
	require(!atexit(leave));
}

/* --- Messages ------------------------------------------------------------ */

static void know(uint64_t *known, unsigned int *count, uint64_t id)
{
	if (id)
		known[(*count)++ % KNOWN] = id;
}

static uint64_t pick(const uint64_t *known, unsigned int count, uint8_t which)
{
	unsigned int have = count < KNOWN ? count : KNOWN;

	if (which == 0xff)
		return UINT64_MAX;
	return have ? known[which % have] : which;
}

static void learn(struct fuzz *fuzz, uint32_t opcode,
		  const struct share_message *message)
{
	struct fuse_entry_out entry;
	struct fuse_open_out open;
	size_t at = 0;

	if (opcode == FUSE_OPEN || opcode == FUSE_OPENDIR) {
		memcpy(&open, message->answer, sizeof(open));
		know(fuzz->files, &fuzz->file_count, open.fh);
		return;
	}
	if (opcode != FUSE_LOOKUP && opcode != FUSE_MKDIR &&
	    opcode != FUSE_MKNOD && opcode != FUSE_SYMLINK &&
	    opcode != FUSE_LINK && opcode != FUSE_CREATE)
		return;
	memcpy(&entry, message->answer, sizeof(entry));
	know(fuzz->nodes, &fuzz->node_count, entry.nodeid);
	at = sizeof(entry);
	if (opcode != FUSE_CREATE)
		return;
	memcpy(&open, message->answer + at, sizeof(open));
	know(fuzz->files, &fuzz->file_count, open.fh);
}

static void check_answer(const struct share_message *message, uint64_t unique)
{
	struct fuse_out_header head;

	memcpy(&head, message->head, sizeof(head));
	require(head.unique == unique);
	require(head.error <= 0 && head.error > -4096);
	require(message->answer_len <= SHARE_ANSWER_MAX);
	require(message->answer_len + message->moved <= ROOM);
	require(head.len ==
		SHARE_ANSWER_HEAD + message->answer_len + message->moved);
	require(!head.error || head.len == SHARE_ANSWER_HEAD);
}

/* A message of what the head is and @body, of exactly its length. */
static void call(struct fuzz *fuzz, const struct fuse_in_header *head,
		 uint8_t *body, size_t len, size_t attached)
{
	static uint8_t answer[SHARE_ANSWER_MAX];
	static uint8_t room[ROOM];
	struct iovec in = { body + len, attached };
	struct iovec out[2] = { { room, 100 }, { room + 100, ROOM - 100 } };
	uint8_t *copy = malloc(sizeof(*head) + len);
	struct share_message message = {
		.bytes = copy,
		.len = sizeof(*head) + len,
		.in = &in,
		.in_count = attached != 0,
		.in_bytes = attached,
		.out = out,
		.out_count = 2,
		.out_bytes = ROOM,
		.can_answer = true,
		.answer = answer,
	};
	struct share *share = share_folder_share(fuzz->folder);
	/* On the queue of high priority. */
	const bool aside = head->unique & ASIDE;

	require(copy);
	memcpy(copy, head, sizeof(*head));
	memcpy(copy + sizeof(*head), body, len);
	if (aside)
		share->ops->forget(share, message.bytes, message.len);
	else if (share->ops->serve(share, &message)) {
		check_answer(&message, head->unique);
		if (message.answer_len)
			learn(fuzz, head->opcode, &message);
	}
	require(fuzz->folder->nodes.count >= 1);
	require(fuzz->folder->nodes.count + fuzz->folder->handles.count <=
		MAX_FDS);
	free(copy);
}

/* One record; returns its length, 0: there is none. */
static size_t take(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
	uint8_t body[4096 + 256];
	struct fuse_in_header head = { .uid = NOBODY, .gid = NOBODY };
	size_t attached;
	size_t len;

	if (size < RECORD)
		return 0;
	len = min_u64(load_le16(data + 3), size - RECORD);
	len = min_u64(len, 4096);
	attached = min_u64(data[5], size - RECORD - len);
	memcpy(body, data + RECORD, len + attached);
	head.opcode = data[0] & (ASIDE - 1);
	head.unique = data[0];
	head.nodeid = data[1] ? pick(fuzz->nodes, fuzz->node_count, data[1]) :
				FUSE_ROOT_ID;
	head.len = (uint32_t)(sizeof(head) + len + attached);
	if (data[2] && len >= 8)
		store_le64(body, pick(fuzz->files, fuzz->file_count, data[2]));
	call(fuzz, &head, body, len, attached);
	return RECORD + len + attached;
}

static void begin(struct fuzz *fuzz)
{
	const struct share_folder_config config = {
		.path = inside,
		.max_fds = MAX_FDS,
	};
	struct fuse_init_in init = { .major = 7, .minor = 37 };
	const struct fuse_in_header head = {
		.len = sizeof(head) + sizeof(init),
		.opcode = FUSE_INIT,
	};

	require(!share_folder_open(&config, &fuzz->folder, NULL));
	/* As this user and no other. */
	fuzz->folder->ready = true;
	call(fuzz, &head, (uint8_t *)&init, sizeof(init), 0);
	require(fuzz->folder->initialised);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz fuzz = { .folder = NULL };
	size_t at = 0;

	if (!*outside)
		prepare();
	remove_all(inside);
	setfsgid(NOBODY);
	setfsuid(NOBODY);
	make_folder();
	put_file(secret, "secret");
	begin(&fuzz);
	for (unsigned int i = 0; i < MOST_CALLS; i++) {
		size_t len = take(&fuzz, data + at, size - at);

		if (!len)
			break;
		at += len;
	}
	share_folder_free(fuzz.folder);
	check_outside();
	setfsuid(geteuid());
	setfsgid(getegid());
	return 0;
}
