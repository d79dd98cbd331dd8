/* What a guest holds: nodes and open files, by number. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/util.h"
#include "io/share_internal.h"

#define FIRST_SLOTS 64

/* --- Slots --------------------------------------------------------------- */

static uint32_t slot_of(uint64_t id)
{
	return (uint32_t)id;
}

static int grow(struct share_slots *slots)
{
	uint32_t size = slots->size ? slots->size * 2 : FIRST_SLOTS;
	struct share_slot *more =
		reallocarray(slots->slots, size, sizeof(*more));

	if (!more)
		return -ENOMEM;
	slots->slots = more;
	/* The lowest is the first to be taken; slot 0 never is. */
	for (uint32_t slot = size - 1; slot >= slots->size && slot; slot--) {
		more[slot] = (struct share_slot){
			.next_free = slots->first_free,
		};
		slots->first_free = slot;
	}
	slots->size = size;
	return 0;
}

int share_slots_add(struct share_slots *slots, void *item, uint64_t *ret_id)
{
	struct share_slot *slot;
	uint32_t index;
	int rc = slots->first_free ? 0 : grow(slots);

	if (rc)
		return rc;
	index = slots->first_free;
	slot = &slots->slots[index];
	slots->first_free = slot->next_free;
	slot->item = item;
	slot->id = (uint64_t)slots->added++ << 32 | index;
	slots->count++;
	*ret_id = slot->id;
	return 0;
}

void *share_slots_get(const struct share_slots *slots, uint64_t id)
{
	uint32_t index = slot_of(id);

	if (!index || index >= slots->size || slots->slots[index].id != id)
		return NULL;
	return slots->slots[index].item;
}

void share_slots_remove(struct share_slots *slots, uint64_t id)
{
	uint32_t index = slot_of(id);

	slots->slots[index] = (struct share_slot){
		.next_free = slots->first_free,
	};
	slots->first_free = index;
	slots->count--;
}

void share_slots_release(struct share_slots *slots)
{
	free(slots->slots);
	*slots = (struct share_slots){ .slots = NULL };
}

bool share_has_room(const struct share_folder *folder)
{
	return folder->nodes.count + folder->handles.count < folder->max_fds;
}

/* --- Nodes --------------------------------------------------------------- */

/* Fibonacci hashing of the number; devices are few. */
static struct share_node **bucket_of(const struct share_folder *folder,
				     dev_t dev, ino_t ino)
{
	uint64_t hash = (ino ^ dev << 40) * UINT64_C(0x9e3779b97f4a7c15);

	return &folder->buckets[hash >> 32 & (folder->bucket_count - 1)];
}

static struct share_node *find(const struct share_folder *folder, dev_t dev,
			       ino_t ino)
{
	struct share_node *node = NULL;

	if (folder->bucket_count)
		node = *bucket_of(folder, dev, ino);
	while (node && (node->dev != dev || node->ino != ino))
		node = node->next;
	return node;
}

static void chain(const struct share_folder *folder, struct share_node *node)
{
	struct share_node **bucket = bucket_of(folder, node->dev, node->ino);

	node->next = *bucket;
	*bucket = node;
}

/* As many buckets as there are slots. */
static int spread(struct share_folder *folder)
{
	struct share_node **buckets =
		calloc(folder->nodes.size, sizeof(struct share_node *));

	if (!buckets)
		return -ENOMEM;
	free(folder->buckets);
	folder->buckets = buckets;
	folder->bucket_count = folder->nodes.size;
	for (uint32_t i = 1; i < folder->nodes.size; i++) {
		if (folder->nodes.slots[i].id)
			chain(folder, folder->nodes.slots[i].item);
	}
	return 0;
}

static int insert(struct share_folder *folder, struct share_node *node)
{
	int rc;

	pthread_mutex_lock(&folder->lock);
	rc = share_slots_add(&folder->nodes, node, &node->id);
	pthread_mutex_unlock(&folder->lock);
	if (rc)
		return rc;
	if (folder->bucket_count == folder->nodes.size) {
		chain(folder, node);
		return 0;
	}
	rc = spread(folder);
	if (!rc)
		return 0;
	pthread_mutex_lock(&folder->lock);
	share_slots_remove(&folder->nodes, node->id);
	pthread_mutex_unlock(&folder->lock);
	return rc;
}

static void show_again(struct share_folder *folder, struct share_node *node)
{
	pthread_mutex_lock(&folder->lock);
	node->lookups++;
	pthread_mutex_unlock(&folder->lock);
}

int share_node_enter(struct share_folder *folder, int fd,
		     const struct stat *stat, struct share_node **ret_node)
{
	autoclose int owned = fd;
	struct share_node *node = find(folder, stat->st_dev, stat->st_ino);
	int rc;

	if (node) {
		show_again(folder, node);
		*ret_node = node;
		return 0;
	}
	if (!share_has_room(folder))
		return -ENFILE;
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	*node = (struct share_node){
		.lookups = 1,
		.dev = stat->st_dev,
		.ino = stat->st_ino,
		.type = stat->st_mode & S_IFMT,
		.fd = owned,
	};
	rc = insert(folder, node);
	if (rc) {
		free(node);
		return rc;
	}
	(void)move_fd(&owned);
	*ret_node = node;
	return 0;
}

/* Takes the node out of the tables; under the lock. */
static void take_out(struct share_folder *folder, struct share_node *node)
{
	struct share_node **at = bucket_of(folder, node->dev, node->ino);

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	share_slots_remove(&folder->nodes, node->id);
}

/* What was taken out, by `next`. To close what is unlinked may take long. */
static void free_nodes(struct share_node *node)
{
	while (node) {
		struct share_node *next = node->next;

		close(node->fd);
		free(node);
		node = next;
	}
}

void share_forget(struct share_folder *folder, uint64_t id, uint64_t lookups)
{
	struct share_node *node;

	pthread_mutex_lock(&folder->lock);
	node = share_slots_get(&folder->nodes, id);
	if (node && node != folder->root) {
		node->lookups -= min_u64(node->lookups, lookups);
		if (!node->lookups && !node->is_forgotten) {
			node->is_forgotten = true;
			node->next_forgotten = folder->forgotten;
			folder->forgotten = node;
			atomic_store(&folder->any_forgotten, true);
		}
	}
	pthread_mutex_unlock(&folder->lock);
}

void share_reap(struct share_folder *folder)
{
	struct share_node *gone = NULL;
	struct share_node *node;

	if (!atomic_load(&folder->any_forgotten))
		return;
	pthread_mutex_lock(&folder->lock);
	atomic_store(&folder->any_forgotten, false);
	node = folder->forgotten;
	folder->forgotten = NULL;
	while (node) {
		struct share_node *next = node->next_forgotten;

		node->is_forgotten = false;
		/* It may have been shown again. */
		if (!node->lookups) {
			take_out(folder, node);
			node->next = gone;
			gone = node;
		}
		node = next;
	}
	pthread_mutex_unlock(&folder->lock);
	free_nodes(gone);
}

struct share_node *share_node_get(const struct share_folder *folder,
				  uint64_t id)
{
	return share_slots_get(&folder->nodes, id);
}

/* --- Open files ---------------------------------------------------------- */

int share_handle_enter(struct share_folder *folder, int fd, bool is_folder,
		       struct share_handle **ret_handle)
{
	autoclose int owned = fd;
	struct share_handle *handle;
	int rc;

	if (!share_has_room(folder))
		return -ENFILE;
	handle = calloc(1, sizeof(*handle));
	if (!handle)
		return -ENOMEM;
	handle->is_folder = is_folder;
	rc = share_slots_add(&folder->handles, handle, &handle->id);
	if (rc) {
		free(handle);
		return rc;
	}
	handle->fd = move_fd(&owned);
	*ret_handle = handle;
	return 0;
}

struct share_handle *share_handle_get(const struct share_folder *folder,
				      uint64_t id, bool is_folder)
{
	struct share_handle *handle = share_slots_get(&folder->handles, id);

	return handle && handle->is_folder == is_folder ? handle : NULL;
}

void share_handle_close(struct share_folder *folder,
			struct share_handle *handle)
{
	share_slots_remove(&folder->handles, handle->id);
	close(handle->fd);
	free(handle);
}

void share_forget_all(struct share_folder *folder)
{
	struct share_node *gone = NULL;

	for (uint32_t i = 1; i < folder->handles.size; i++) {
		if (folder->handles.slots[i].id)
			share_handle_close(folder,
					   folder->handles.slots[i].item);
	}
	pthread_mutex_lock(&folder->lock);
	folder->forgotten = NULL;
	atomic_store(&folder->any_forgotten, false);
	for (uint32_t i = 1; i < folder->nodes.size; i++) {
		struct share_node *node = folder->nodes.slots[i].item;

		if (!folder->nodes.slots[i].id || node == folder->root)
			continue;
		take_out(folder, node);
		node->next = gone;
		gone = node;
	}
	pthread_mutex_unlock(&folder->lock);
	free_nodes(gone);
}
