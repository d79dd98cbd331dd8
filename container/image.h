/*
 * Images: what `launch` takes for a root filesystem. A folder is taken as it
 * is; a tar archive and an OCI image layout on disk (OCI image-spec 1.1,
 * image-layout.md) are unpacked into the store, once, where all of their
 * containers share them as the lowest layer.
 */
#ifndef CONTAINER_IMAGE_H
#define CONTAINER_IMAGE_H

#include "container/context.h"
#include "container/json.h"

struct image {
	char *tree; /* owned; the folder, absolute */
	bool is_copy; /* of one container's own, see image_copy */
	bool is_folder; /* the user's own */
	json_t *file; /* owned, or NULL; the image's configuration */
	const json_t *config; /* what it says of the process, or NULL */
};

/*
 * Finds or unpacks @name: a path, or PATH:REF for one image of a layout. The
 * store is locked. Before selfexe_protect: hull-unpack stands beside our
 * program's file.
 */
int image_open(struct context *context, const char *name,
	       struct image *ret_image, struct err *err);
void image_release(struct image *image);

/*
 * Where the store's filesystem cannot carry the upper layer of an overlay: a
 * copy of the image takes its place, of @container's own, to be its root. The
 * store is locked; called again behind selfexe_protect, it finds that copy.
 */
int image_copy(struct context *context, const char *container,
	       struct image *image, struct err *err);

#endif
