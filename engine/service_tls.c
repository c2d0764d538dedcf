/* libevent clears the session before it tells of a failure, so the reason that OpenSSL found is noted down when it
 * finds it. */
#include "engine/service_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static int on_verified(int good, X509_STORE_CTX *store)
{
    const SSL *session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    long *verify_error = SSL_get_app_data(session);
    if (!good)
        *verify_error = X509_STORE_CTX_get_error(store);
    return good;
}

SSL_CTX *service_tls_create(const char *ca_file, bool verify, struct buffer *error)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    bool good = context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (good && verify)
        good = ca_file ? SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1
                       : SSL_CTX_set_default_verify_paths(context) == 1;
    if (good) {
        SSL_CTX_set_verify(context, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? on_verified : NULL);
        SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
        return context;
    }
    const char *reason = ERR_reason_error_string(ERR_get_error());
    buffer_append_format(error, "%s%s%s cannot be used: %s", ca_file ? "\"" : "", ca_file ? ca_file : "TLS",
                         ca_file ? "\"" : "", reason ? reason : "no certificates in it");
    SSL_CTX_free(context);
    ERR_clear_error();
    return NULL;
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
