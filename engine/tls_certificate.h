/* A certificate of ours and its key, as a client and as a server shows them. */
#ifndef WEIR_ENGINE_TLS_CERTIFICATE_H
#define WEIR_ENGINE_TLS_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/buffer.h"

/* Each appends what is wrong to `error`, or nothing. OpenSSL's queue of errors is left as it is then. */

/* The file opened; NULL if it cannot be read. The caller frees it with BIO_free. */
BIO *tls_open_file(const char *path, struct buffer *error);
/* A PEM file, with the certificates that lead to the authority behind our own. */
void tls_load_certificate(SSL_CTX *context, const char *path, struct buffer *error);
/* After the certificate, which it must fit; `certificate_path` is for the message. Without a pass phrase. */
void tls_load_private_key(SSL_CTX *context, const char *path, const char *certificate_path, struct buffer *error);

#endif
