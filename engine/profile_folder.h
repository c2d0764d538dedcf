/* Where the ready-made sets of modules lie that `include: NAME` finds. */
#ifndef WEIR_ENGINE_PROFILE_FOLDER_H
#define WEIR_ENGINE_PROFILE_FOLDER_H

/* The path of share/weir/profiles beside the folder of this program, or, in a source tree, of deploy/profiles above it;
 * NULL if there is neither. The caller frees it. */
char *profile_folder_find(void);

#endif
