/* TLS as a client: who is trusted, for which host, and what we show of ourselves. */
#ifndef WEIR_ENGINE_TLS_CLIENT_H
#define WEIR_ENGINE_TLS_CLIENT_H

#include <openssl/ssl.h>

#include "base/buffer.h"

/* All may be NULL. The system's certificates are trusted unless others are given. */
struct tls_client_settings {
    const char *authorities;      /* trusted: PEM text */
    const char *ca_file;          /* trusted: a PEM file */
    const char *ca_path;          /* trusted: a folder prepared by `openssl rehash`; not read if there is a ca_file */
    const char *certificate_file; /* ours, with its chain: a PEM file */
    const char *private_key_file; /* of our certificate; it must not need a pass phrase */
    bool verify;                  /* false: every certificate is taken */
};

enum tls_client_part { TLS_CLIENT_LIBRARY, TLS_CLIENT_AUTHORITIES, TLS_CLIENT_CERTIFICATE, TLS_CLIENT_PRIVATE_KEY };

/* TLS 1.2 or newer. The files are read now. NULL with a sentence in `error`. The owner frees it with SSL_CTX_free. */
SSL_CTX *tls_client_create(const struct tls_client_settings *settings, struct buffer *error);

/* Tells everything that is wrong with `settings`, part by part, as tls_client_create would find it. */
void tls_client_check(const struct tls_client_settings *settings,
                      void (*wrong)(void *context, enum tls_client_part part, const char *sentence), void *context);

/* A session with `host` (a name or an address): asks for that name, and takes only a certificate for it. What is wrong
 * with a certificate is kept in `*verify_error`, which must live as long as the session: an X509_V_ERR_…, or X509_V_OK.
 * NULL if OpenSSL cannot. */
SSL *tls_client_session(SSL_CTX *context, const char *host, long *verify_error);

/* How a session with `host` failed. */
struct tls_client_failure {
    const char *host;
    long verify_error; /* as tls_client_session keeps it */
    int ssl_error;     /* of SSL_get_error */
    int system_error;  /* errno at that time */
    bool certificate;  /* we have one to show */
};
/* Appends why, in words that say what to change where that can be known: "its certificate has expired". Empties
 * OpenSSL's queue of errors, which must be as the failed call left it. */
void tls_client_explain(const struct tls_client_failure *failure, struct buffer *text);

#endif
