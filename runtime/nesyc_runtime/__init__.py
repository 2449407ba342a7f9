"""What compiled specs run on: data, teachers, the knowledge base, learning, inference and evaluation."""
