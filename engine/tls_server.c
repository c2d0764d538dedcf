/* OpenSSL's own choice of ciphers for its security level is kept: it is better looked after than a list here. */
#include "engine/tls_server.h"

#include <openssl/err.h>

#include "engine/tls_certificate.h"

static SSL_CTX *empty_context(struct buffer *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION)) {
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
        return context;
    }
    SSL_CTX_free(context);
    buffer_append_string(error, "OpenSSL cannot be set up");
    return NULL;
}

static void tell(struct buffer *error, enum tls_server_part part,
                 void (*wrong)(void *context, enum tls_server_part part, const char *sentence), void *context)
{
    if (error->length)
        wrong(context, part, buffer_string(error));
    buffer_clear(error);
}

void tls_server_check(const char *certificate_file, const char *private_key_file,
                      void (*wrong)(void *context, enum tls_server_part part, const char *sentence), void *context)
{
    struct buffer error = {0};
    SSL_CTX *loaded = empty_context(&error);
    tell(&error, TLS_SERVER_LIBRARY, wrong, context);
    if (loaded) {
        tls_load_certificate(loaded, certificate_file, &error);
        tell(&error, TLS_SERVER_CERTIFICATE, wrong, context);
        tls_load_private_key(loaded, private_key_file, certificate_file, &error);
        tell(&error, TLS_SERVER_PRIVATE_KEY, wrong, context);
    }
    ERR_clear_error();
    buffer_free(&error);
    SSL_CTX_free(loaded);
}

SSL_CTX *tls_server_create(const char *certificate_file, const char *private_key_file, struct buffer *error)
{
    size_t before = error->length;
    SSL_CTX *context = empty_context(error);
    if (context)
        tls_load_certificate(context, certificate_file, error);
    if (context && error->length == before)
        tls_load_private_key(context, private_key_file, certificate_file, error);
    ERR_clear_error();
    if (error->length == before)
        return context;
    SSL_CTX_free(context);
    return NULL;
}
