#include "apps/program.h"

int main(int argc, char** argv) { return lowkey::apps::run_program(argc, argv); }
