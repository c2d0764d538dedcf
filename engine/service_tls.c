/* libevent clears the session before it tells of a failure, so the reason that OpenSSL found is noted down when it
 * finds it. */
#include "engine/service_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static int on_verified(int good, X509_STORE_CTX *store)
{
    const SSL *session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    long *verify_error = SSL_get_app_data(session);
    if (!good)
        *verify_error = X509_STORE_CTX_get_error(store);
    return good;
}

/* False if there is none, or one that cannot be read. */
static bool trust(SSL_CTX *context, const char *authorities)
{
    BIO *text = BIO_new_mem_buf(authorities, -1);
    X509 *certificate;
    size_t count = 0;
    bool good = text != NULL;
    while (good && (certificate = PEM_read_bio_X509(text, NULL, NULL, NULL))) {
        good = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1;
        X509_free(certificate);
        count++;
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    BIO_free(text);
    ERR_clear_error();
    return good && ended && count > 0;
}

SSL_CTX *service_tls_create(const char *authorities, bool verify, struct buffer *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *wrong = NULL;
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        wrong = "OpenSSL cannot be set up";
    else if (verify && authorities && !trust(context, authorities))
        wrong = "the file of trusted certificates holds none in PEM form, or a broken one";
    else if (verify && !authorities && SSL_CTX_set_default_verify_paths(context) != 1)
        wrong = "the system's trusted certificates cannot be read";
    if (wrong) {
        buffer_append_string(error, wrong);
        SSL_CTX_free(context);
        ERR_clear_error();
        return NULL;
    }
    SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? on_verified : NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

SSL *service_tls_session(SSL_CTX *context, const char *host, long *verify_error)
{
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    SSL *session = SSL_new(context);
    if (!session)
        return NULL;
    *verify_error = X509_V_OK;
    SSL_set_app_data(session, verify_error);
    bool good = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
                           : SSL_set1_host(session, host) == 1 && SSL_set_tlsext_host_name(session, host) == 1;
    if (good)
        return session;
    SSL_free(session);
    return NULL;
}
