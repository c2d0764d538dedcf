/* TLS as a server: what we show of ourselves. Clients are not asked for certificates. */
#ifndef WEIR_ENGINE_TLS_SERVER_H
#define WEIR_ENGINE_TLS_SERVER_H

#include <openssl/ssl.h>

#include "base/buffer.h"

/* TLS 1.2 or newer. The files, in PEM form, are read now. NULL with a sentence in `error`. The owner frees it with
 * SSL_CTX_free; sessions that are open keep what they need of it. */
SSL_CTX *tls_server_create(const char *certificate_file, const char *private_key_file, struct buffer *error);

enum tls_server_part { TLS_SERVER_LIBRARY, TLS_SERVER_CERTIFICATE, TLS_SERVER_PRIVATE_KEY };
/* Tells everything that is wrong with the files, part by part, as tls_server_create would find it. */
void tls_server_check(const char *certificate_file, const char *private_key_file,
                      void (*wrong)(void *context, enum tls_server_part part, const char *sentence), void *context);

#endif
