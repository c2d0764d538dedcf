/* Without a pass phrase at hand OpenSSL would ask the terminal: a key that has one is refused. */
#include "engine/tls_certificate.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>

BIO *tls_open_file(const char *path, struct buffer *error)
{
    errno = 0;
    BIO *file = BIO_new_file(path, "r");
    if (!file)
        buffer_append_format(error, "\"%s\" cannot be read: %s", path, strerror(errno ? errno : ENOENT));
    return file;
}

void tls_load_certificate(SSL_CTX *context, const char *path, struct buffer *error)
{
    BIO *file = tls_open_file(path, error);
    if (file && SSL_CTX_use_certificate_chain_file(context, path) != 1)
        buffer_append_format(error, "\"%s\" holds no certificate in PEM form, or a broken one", path);
    BIO_free(file);
}

void tls_load_private_key(SSL_CTX *context, const char *path, const char *certificate_path, struct buffer *error)
{
    BIO *file = tls_open_file(path, error);
    if (!file)
        return;
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, (void *)(uintptr_t) "");
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    if (!key)
        buffer_append_format(error, "\"%s\" holds no private key in PEM form, or one with a pass phrase", path);
    else if (certificate && X509_check_private_key(certificate, key) != 1)
        buffer_append_format(error, "\"%s\" does not fit the certificate in \"%s\"", path, certificate_path);
    else if (certificate && SSL_CTX_use_PrivateKey(context, key) != 1)
        buffer_append_format(error, "\"%s\" holds a private key that OpenSSL does not take", path);
    EVP_PKEY_free(key);
    BIO_free(file);
}
