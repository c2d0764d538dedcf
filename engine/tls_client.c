/* libevent clears the session before it tells of a failure, so the reason that OpenSSL found is noted down when it
 * finds it.
 *
 * OpenSSL's own sentences name its functions and the state of a protocol; what an administrator can change is said by
 * the tables below, and OpenSSL's words only where they have no row. */
#include "engine/tls_client.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "engine/tls_certificate.h"

static int on_verified(int good, X509_STORE_CTX *store)
{
    const SSL *session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    long *verify_error = SSL_get_app_data(session);
    if (!good)
        *verify_error = X509_STORE_CTX_get_error(store);
    return good;
}

/* Trust and our own certificate: each step says what is wrong with it, or appends nothing. */

static const char *const no_certificates = "the file of trusted certificates holds none in PEM form, or a broken one";

/* False if there is none, or one that cannot be read. */
static bool trust_text(SSL_CTX *context, BIO *text)
{
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
    return good && ended && count > 0;
}

static void load_authorities(SSL_CTX *context, const struct tls_client_settings *settings, struct buffer *error)
{
    if (!settings->verify)
        return;
    if (settings->authorities) {
        if (!trust_text(context, BIO_new_mem_buf(settings->authorities, -1)))
            buffer_append_string(error, no_certificates);
    } else if (settings->ca_file) {
        BIO *file = tls_open_file(settings->ca_file, error);
        if (file && !trust_text(context, file))
            buffer_append_format(error, "\"%s\" holds no certificate in PEM form, or a broken one", settings->ca_file);
    } else if (settings->ca_path) {
        DIR *folder = opendir(settings->ca_path);
        if (!folder || SSL_CTX_load_verify_dir(context, settings->ca_path) != 1)
            buffer_append_format(error, "\"%s\" cannot be read: %s", settings->ca_path, strerror(errno));
        if (folder)
            closedir(folder);
    } else if (SSL_CTX_set_default_verify_paths(context) != 1) {
        buffer_append_string(error, "the system's trusted certificates cannot be read");
    }
}

static void load_certificate(SSL_CTX *context, const struct tls_client_settings *settings, struct buffer *error)
{
    if (settings->certificate_file)
        tls_load_certificate(context, settings->certificate_file, error);
}

static void load_private_key(SSL_CTX *context, const struct tls_client_settings *settings, struct buffer *error)
{
    if (settings->private_key_file)
        tls_load_private_key(context, settings->private_key_file, settings->certificate_file, error);
}

static const struct {
    enum tls_client_part part;
    void (*load)(SSL_CTX *context, const struct tls_client_settings *settings, struct buffer *error);
} steps[] = {{TLS_CLIENT_AUTHORITIES, load_authorities},
             {TLS_CLIENT_CERTIFICATE, load_certificate},
             {TLS_CLIENT_PRIVATE_KEY, load_private_key}};
#define STEPS (sizeof steps / sizeof *steps)

static SSL_CTX *empty_context(void)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

SSL_CTX *tls_client_create(const struct tls_client_settings *settings, struct buffer *error)
{
    SSL_CTX *context = empty_context();
    size_t before = error->length;
    if (!context)
        buffer_append_string(error, "OpenSSL cannot be set up");
    for (size_t step = 0; step < STEPS && error->length == before; step++)
        steps[step].load(context, settings, error);
    ERR_clear_error();
    if (error->length != before) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_verify(context, settings->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       settings->verify ? on_verified : NULL);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

void tls_client_check(const struct tls_client_settings *settings,
                      void (*wrong)(void *context, enum tls_client_part part, const char *sentence), void *context)
{
    SSL_CTX *loaded = empty_context();
    struct buffer error = {0};
    if (!loaded)
        wrong(context, TLS_CLIENT_LIBRARY, "OpenSSL cannot be set up");
    for (size_t step = 0; loaded && step < STEPS; step++) {
        buffer_clear(&error);
        steps[step].load(loaded, settings, &error);
        if (error.length)
            wrong(context, steps[step].part, buffer_string(&error));
    }
    ERR_clear_error();
    buffer_free(&error);
    SSL_CTX_free(loaded);
}

SSL *tls_client_session(SSL_CTX *context, const char *host, long *verify_error)
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

/* Failures. */

static void explain_certificate(const struct tls_client_failure *failure, struct buffer *text)
{
    switch (failure->verify_error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        buffer_append_format(text, "its certificate is not for the host \"%s\"", failure->host);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        buffer_append_string(text, "its certificate, or one that vouches for it, has expired");
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        buffer_append_string(text, "its certificate is not valid yet (or the clock of this machine is wrong)");
        break;
    default:
        buffer_append_format(text, "its certificate is not trusted: %s",
                             X509_verify_cert_error_string(failure->verify_error));
    }
}

static const struct {
    int reason;
    const char *words;
} alerts[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "it speaks no TLS at this port"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "it speaks no TLS at this port"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, NULL},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, NULL},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "it does not trust the authority of our certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "it does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "our certificate has expired"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "our certificate was revoked"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "it speaks only versions of TLS older than 1.2"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "it speaks only versions of TLS older than 1.2"},
};

static void explain_library(const struct tls_client_failure *failure, unsigned long code, struct buffer *text)
{
    int reason = ERR_GET_REASON(code);
    const char *words = ERR_reason_error_string(code);
    for (size_t index = 0; index < sizeof alerts / sizeof *alerts; index++) {
        if (ERR_GET_LIB(code) != ERR_LIB_SSL || reason != alerts[index].reason)
            continue;
        if (alerts[index].words)
            words = alerts[index].words;
        else if (!failure->certificate)
            words = "it asks for a client certificate, and we have none to show";
    }
    buffer_append_string(text, words ? words : "an error of OpenSSL without a name");
}

void tls_client_explain(const struct tls_client_failure *failure, struct buffer *text)
{
    unsigned long code = failure->ssl_error == SSL_ERROR_SSL ? ERR_peek_error() : 0;
    bool ended = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (failure->verify_error != X509_V_OK)
        explain_certificate(failure, text);
    else if (code && !ended)
        explain_library(failure, code, text);
    else if (failure->system_error && !ended)
        buffer_append_string(text, strerror(failure->system_error));
    else
        buffer_append_string(text, "it closed the connection");
    ERR_clear_error();
}
