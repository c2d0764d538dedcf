/* TLS as a client: who is trusted, and for which host. */
#ifndef WEIR_ENGINE_SERVICE_TLS_H
#define WEIR_ENGINE_SERVICE_TLS_H

#include <openssl/ssl.h>

#include "base/buffer.h"

/* TLS 1.2 or newer; the certificates in `authorities` (PEM text) are trusted, or those of the system where it is NULL.
 * Without `verify` every certificate is taken. NULL with a sentence in `error`. The owner frees it with SSL_CTX_free.
 */
SSL_CTX *service_tls_create(const char *authorities, bool verify, struct buffer *error);

/* A session with `host` (a name or an address): asks for that name, and takes only a certificate for it. What is wrong
 * with a certificate is kept in `*verify_error`, which must live as long as the session: an X509_V_ERR_…, or X509_V_OK.
 * NULL if OpenSSL cannot. */
SSL *service_tls_session(SSL_CTX *context, const char *host, long *verify_error);

#endif
