/* What the containers of bench-ct run: nothing. */
int main(void)
{
	return 0;
}
