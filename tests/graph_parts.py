"""Functions and classes that graphs in tests are made of."""

import os
import time

import trygon
from trygon.dag import InputNode


@trygon.remote
def add(left, right=1):
    return left + right


@trygon.remote
def kind(value):
    return type(value).__name__


@trygon.remote
def fail(value):
    raise KeyError("no such value")


@trygon.remote(num_cpus=0)
class Counter:
    def __init__(self, value=0):
        self.value = value

    def add(self, amount=1):
        self.value += amount
        return self.value

    def echo(self, value):
        return value

    def pid(self):
        return os.getpid()

    def two(self, value):
        return value, value * 2

    @trygon.method(num_returns=2)
    def declared_two(self, value):
        return value, value * 3

    def slow(self, value):
        time.sleep(0.3)
        return value

    def fail(self, value):
        raise ValueError("broken")


def run(node, *args, **kwargs):
    return trygon.get(node.execute(*args, **kwargs), timeout=20)


def graph():
    with InputNode() as given:
        return add.bind(given)
