"""Verger beside others that make features of photos: how each is written, installed, measured."""
