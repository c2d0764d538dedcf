/* What a notary says of the keys of a server (Matrix specification, server-server API, "Querying Keys Through Another
 * Server"), read into a record that can be kept. */
#ifndef WEIR_ENGINE_SERVER_KEY_ANSWER_H
#define WEIR_ENGINE_SERVER_KEY_ANSWER_H

#include <stdint.h>

#include "base/buffer.h"
#include "engine/signing_key.h"

#define SERVER_KEY_ANSWER_MAXIMUM ((size_t)256 << 10)
/* Keys of one server beyond this are passed over; most have one. */
#define SERVER_KEY_COUNT_MAXIMUM 32u

/* Reads an answer to /_matrix/key/v2/query and appends the record of the server's ed25519 keys with their
 * end to `record`. Only keys whose holder has signed the answer count. Of several answers about the server the one that
 * holds longest is taken. NULL, or what is wrong, a sentence. */
const char *server_key_answer_read(struct slice body, struct slice server_name, struct buffer *record);

/* Until when the keys of a record may be used, in ms since 1970. */
int64_t server_key_record_until(struct slice record);
/* Finds a key by its id, "ed25519:a_AbCd". */
bool server_key_record_find(struct slice record, struct slice key_id,
                            unsigned char public[static SIGNING_KEY_PUBLIC_SIZE]);

#endif
