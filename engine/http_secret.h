/* The secret that the HTTP API asks for. */
#ifndef WEIR_ENGINE_HTTP_SECRET_H
#define WEIR_ENGINE_HTTP_SECRET_H

#include "base/slice.h"

struct http_secret;

/* Keeps a digest only. Where OpenSSL cannot make one, no token ever matches. */
struct http_secret *http_secret_create(const char *text);
void http_secret_destroy(struct http_secret *secret);
/* In a time that tells nothing about the secret. */
bool http_secret_matches(struct http_secret *secret, struct slice token);

#endif
