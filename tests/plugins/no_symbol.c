/* A shared object that is no plug-in. */
int no_symbol(void);
int no_symbol(void)
{
    return 1;
}
